"""One kind of fault per module; the module's name is the kind's."""
