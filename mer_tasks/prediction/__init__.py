"""From what a person names (files, folders, playlists, addresses) to the moods of the songs in it."""
