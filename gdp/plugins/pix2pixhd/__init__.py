"""pix2pixHD (Wang et al., CVPR 2018): a feed-forward image-to-image student."""
