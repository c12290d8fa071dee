"""Questions that are asked of all nodes and answered as one; a file each."""
