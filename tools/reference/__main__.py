from __future__ import annotations

from tools.reference import FOLDER, pages

made = pages()
FOLDER.mkdir(exist_ok=True)
for file in FOLDER.glob("*.md"):
    if file.name not in made:
        file.unlink()
for name, text in made.items():
    (FOLDER / name).write_text(text, encoding="utf-8")
