"""StyleGAN2: networks, losses, training and projection."""
