#!/usr/bin/env python3
"""What the documents at the top point to is there, and every example is a good configuration.

    documents.py ANYPORT ROOT
"""

import pathlib
import re
import subprocess
import sys

LINK = re.compile(r'\]\(([^)#:]+)\)')
# `shm/ring.h`, `path/stages.h`, `tools/demo`: a name with a folder, and no blank or wildcard
NAMED = re.compile(r'`([a-z][\w.-]*(?:/[\w.-]+)+/?)`')
FLOORS = ('', 'controller')  # paths in the text stand relative to one of these
MADE = ('build', 'build-demo', 'build-check', 'examples/four.run')  # there only after something ran


def is_there(root, name):
    return name.startswith(MADE) or any((root / floor / name).exists() for floor in FLOORS)


def check_document(root, document):
    text = document.read_text(encoding='utf-8')
    for link in LINK.findall(text):
        if not (document.parent / link).exists():
            yield f'{document.name}: links to {link}, which is not there'
    for name in NAMED.findall(text):
        if not is_there(root, name):
            yield f'{document.name}: names {name}, which is not there'


def main(anyport, root):
    root = pathlib.Path(root)
    documents = [*root.glob('*.md'), root / 'examples' / 'README.md']
    wrong = [finding for document in documents for finding in check_document(root, document)]
    examples = sorted((root / 'examples').glob('*.yaml'))
    listed = (root / 'examples' / 'README.md').read_text(encoding='utf-8')
    for example in examples:
        if f'({example.name})' not in listed:
            wrong.append(f'examples/README.md: {example.name} is missing')
        checked = subprocess.run([anyport, 'check', example], stdout=subprocess.DEVNULL,
                                 stderr=subprocess.PIPE, text=True, check=False)
        if checked.returncode != 0:
            wrong.append(f'{example.name}: {checked.stderr.strip()}')
    print('\n'.join(wrong) if wrong else f'{len(documents)} documents, {len(examples)} examples')
    return 1 if wrong or not examples else 0


if __name__ == '__main__':
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
