"""The script that Streamlit runs; a folder of its own, since Streamlit takes a `pages` folder beside it for its own."""
