"""What is printed: Hubble's texts, byte for byte, made from columns."""
