"""The HTTP side: one file per service that parses, validates and answers. No model code in here."""
