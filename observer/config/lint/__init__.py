"""``observer check``: what is wrong with objectives and policies that can be read, one check a file."""
