"""The champion over HTTP: songs are uploaded, moods come back."""
