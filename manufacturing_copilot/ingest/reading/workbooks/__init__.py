"""Workbooks: the cells of a sheet, whatever kind of workbook holds them, as the texts a person would have typed."""
