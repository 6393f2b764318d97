"""The ResNet student: CycleGAN's generator with fewer blocks and channels, distilled from a translator."""
