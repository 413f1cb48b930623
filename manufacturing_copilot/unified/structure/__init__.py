"""How items are made: bills of materials and routings. What an item is belongs in `items`."""
