"""From charts of trending songs to a model that hears their mood."""
