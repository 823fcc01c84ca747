"""Reports over what was taken: of a day, as data, as CSV, and as a spreadsheet."""
