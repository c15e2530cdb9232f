"""``judge arena mt-bench``: answers of two turns graded from 1 to 10 by a model that chats."""
