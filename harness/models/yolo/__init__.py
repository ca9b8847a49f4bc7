"""YOLO detectors by ultralytics."""
