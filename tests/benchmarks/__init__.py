"""The benchmark table: rows 1 to 8 of section 8 of ../shared/anchors/performance.md."""
