"""From charts of trending songs to a model that predicts their mood."""
