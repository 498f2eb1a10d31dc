"""SQL files `NNNN_name.sql`, run in order, each once. A file that has shipped is never edited."""
