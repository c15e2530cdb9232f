"""The pages as Gradio blocks: the only place, beside :mod:`app.main`, that knows Gradio."""
