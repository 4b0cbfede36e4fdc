"""What a user names (files, folders, arrays, Parquet, standard input) goes in; uint8 pixels come out."""
