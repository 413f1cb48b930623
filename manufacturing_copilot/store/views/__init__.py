"""The views that people and BI tools read, one file a room: each query beside what its columns mean; no tables.

Tables may change from version to version; views keep their columns, in codes and plain numbers. Every upgrade of the
database rebuilds them over the tables as they are then.
"""

from manufacturing_copilot.store.views.build import VIEWS, create_views, drop_views, meanings, queries, view_query
from manufacturing_copilot.store.views.reference import views_page
from manufacturing_copilot.store.views.view import EVERYWHERE, View

__all__ = [
    "EVERYWHERE",
    "VIEWS",
    "View",
    "create_views",
    "drop_views",
    "meanings",
    "queries",
    "view_query",
    "views_page",
]
