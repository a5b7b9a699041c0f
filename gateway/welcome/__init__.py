"""What a browser sees at the public address: that this is Galaxy, and how to come in."""
