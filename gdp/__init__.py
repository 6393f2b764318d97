"""gdp: GAN distillation pipelines."""
