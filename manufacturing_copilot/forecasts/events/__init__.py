"""Events beyond the history: closures, promotions, prices, successors, outliers. What planners set: `overrides`."""
