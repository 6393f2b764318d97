"""CycleGAN (Zhu et al., ICCV 2017): a teacher that translates pictures between two domains without pairs."""
