"""The data of a competition: samples, images and tables, where they come from, and who is in which part."""
