"""Foreign layouts of StyleGAN2's weights, converted to that of stylegan2-ada-pytorch."""
