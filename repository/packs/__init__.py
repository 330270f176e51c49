"""The pack format and nothing else: one MIME body that holds what one request brought of one study.

`layout` says what lies where, `writer` makes a pack (on `block_file`), `reader` takes it apart.
`docs/storage-format.md` is the same in words, for somebody who has only the files left.
"""
