"""How the header of one PS3.10 file is read: the parts behind `repository.part10`; pydicom, no Django."""
