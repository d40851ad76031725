"""What moods are for in a music library: tags that players read, and playlists."""
