"""What was found, in words: places, stories, the order of locks. Loaded only then."""
