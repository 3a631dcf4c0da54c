"""What a process and its children need: pipes, limits."""
