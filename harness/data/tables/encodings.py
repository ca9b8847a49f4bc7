"""The text of a file whose encoding nobody declared: UTF-8 and UTF-16 are known by their bytes, others are guessed."""

import codecs
import logging
import re
from pathlib import Path

from harness.errors import UserError
from harness.paths import shown

MARKS = {  # what stands at the beginning of a file in Unicode; the longer ones first
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
ARCHIVES = {b"PK\x03\x04": "a zip archive or an Excel workbook", b"\x1f\x8b": "packed with gzip"}
GUESSED = ["cp1252", "cp1251", "gb18030", "big5", "cp932", "euc_kr"]  # charset-normalizer takes one of these
WESTERN = rb"[\x80\x85\x91-\x97\xa0-\xff]"  # letters, and signs such as the euro's, in Windows' Western encoding
SEEN = 2**16  # bytes of the lines beyond ASCII that are looked at
SAVE_IT = "save the file as UTF-8"


def read_utf8(file: Path) -> bytes:
    """The whole text in UTF-8, without the mark at its beginning. An encoding that is guessed is said.

    Raise `UserError` naming the line that cannot be read.
    """
    try:
        data = file.read_bytes()
    except OSError as error:
        raise UserError(f"{shown(file)} is not readable as a table: {error.strerror}") from error
    for begin, what in ARCHIVES.items():
        if data.startswith(begin):
            raise UserError(f"{shown(file)} is {what}, not text; unpack it, or save the table as CSV")
    data, encoding = unmarked(data)
    if encoding == "utf-8" and data.isascii():
        return data
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        line, wrong = line_at(data, error.start), data[error.start]
        if encoding == "utf-8":
            return guessed(file, data, line, wrong).encode()
        raise UserError(
            f"{shown(file)}, line {line}: byte 0x{wrong:02x} does not belong to {encoding}; {SAVE_IT}"
        ) from error
    return data if encoding == "utf-8" else text.encode()


def unmarked(data: bytes) -> tuple[bytes, str]:
    """(the bytes without their mark, the encoding that it says). Zeros between the letters are UTF-16 without one."""
    for mark, encoding in MARKS.items():
        if data.startswith(mark):
            return data[len(mark) :], encoding
    begin = data[:200]
    if b"\0" in begin:
        zeros = begin[0::2].count(0), begin[1::2].count(0)
        return data, "utf-16-be" if zeros[0] > zeros[1] else "utf-16-le"
    return data, "utf-8"


def guessed(file: Path, data: bytes, line: int, wrong: int) -> str:
    """The text in an encoding of one country. line, wrong: where UTF-8 ends, and the byte there."""
    lines = [each for each in data.splitlines() if not each.isascii()]
    broken = sum(not is_utf8(each) for each in lines)
    if 2 * broken < len(lines):
        raise UserError(
            f"{shown(file)}, line {line}: byte 0x{wrong:02x} is not UTF-8, though {len(lines) - broken} other lines "
            f"are; write this line in UTF-8"
        )
    encoding = likely_encoding(b"\n".join(lines)[:SEEN].rpartition(b"\n")[0] or lines[0])
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        at, byte = line_at(data, error.start), data[error.start]
        raise UserError(
            f"{shown(file)}, line {at}: byte 0x{byte:02x} is neither UTF-8 nor {encoding}; {SAVE_IT}"
        ) from error
    example = next(each for each in text.splitlines() if not each.isascii())
    logging.getLogger(__name__).warning(
        "%s is not UTF-8; it is read as %s, so that line %d is %r; %s if that is wrong",
        *(shown(file), encoding, line, example[:60], SAVE_IT),
    )
    return text


def likely_encoding(sample: bytes) -> str:
    """Windows' Western one where letters beyond ASCII stand alone, as in "café"; else as `charset_normalizer` says.

    On a few such letters the library takes "é" for a Cyrillic or Hebrew one; on words of another script it is right.
    """
    import charset_normalizer  # comes with requests

    runs = re.findall(rb"[\x80-\xff]+", sample)
    if 2 * sum(re.fullmatch(WESTERN, run) is not None for run in runs) >= len(runs):
        return "cp1252" if not re.search(rb"[\x81\x8d\x8f\x90\x9d]", sample) else "latin-1"
    best = charset_normalizer.from_bytes(sample, cp_isolation=GUESSED).best()
    return best.encoding if best else "cp1252"


def is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def line_at(data: bytes, position: int) -> int:
    """The line, from 1, in which this byte stands."""
    return data.count(b"\n", 0, position) + 1
