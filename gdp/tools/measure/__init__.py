"""What every run ends with, before anybody looks: the stages evaluate and export."""
