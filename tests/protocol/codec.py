"""Bodies: section 4 of docs/protocol.md. Each type reads its one encoding and writes it."""


class Malformed(Exception):
    """Bytes that a receiver drops."""


class Reader:
    def __init__(self, data: bytes):
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        taken = self.data[self.at : self.at + count]
        if len(taken) != count:
            raise Malformed(f"{count} bytes are wanted at {self.at}, {len(taken)} are left")
        self.at += count
        return taken

    def rest(self) -> bytes:
        return self.take(len(self.data) - self.at)


class Integer:
    """A varint of at most so many bits."""

    def __init__(self, bits: int):
        self.bits = bits

    def read(self, reader: Reader) -> int:
        value, shift = 0, 0
        while True:
            byte = reader.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        if value >= 1 << self.bits:
            raise Malformed(f"{value} has more than {self.bits} bits")
        if byte == 0 and shift > 7:
            raise Malformed("a varint is longer than its value needs")
        return value

    def write(self, value: int) -> bytes:
        assert 0 <= value < 1 << self.bits
        out = bytearray()
        while value >= 0x80:
            out.append(value & 0x7F | 0x80)
            value >>= 7
        out.append(value)
        return bytes(out)


class Fixed:
    """So many bytes, without a length."""

    def __init__(self, count: int):
        self.count = count

    def read(self, reader):
        return reader.take(self.count)

    def write(self, value):
        assert len(value) == self.count
        return value


class Bool:
    def read(self, reader):
        byte = reader.take(1)[0]
        if byte > 1:
            raise Malformed(f"{byte} is no bool")
        return byte == 1

    def write(self, value):
        return bytes([value])


class Bytes:
    def read(self, reader):
        return reader.take(U64.read(reader))

    def write(self, value):
        return U64.write(len(value)) + value


class Text:
    def read(self, reader):
        try:
            return BYTES.read(reader).decode()
        except UnicodeDecodeError as error:
            raise Malformed(str(error)) from error

    def write(self, value):
        return BYTES.write(value.encode())


class Option:
    def __init__(self, of):
        self.of = of

    def read(self, reader):
        return self.of.read(reader) if BOOL.read(reader) else None

    def write(self, value):
        return b"\x00" if value is None else b"\x01" + self.of.write(value)


class List:
    def __init__(self, of):
        self.of = of

    def read(self, reader):
        return [self.of.read(reader) for _ in range(U64.read(reader))]

    def write(self, value):
        return U64.write(len(value)) + b"".join(self.of.write(each) for each in value)


class Map:
    def read(self, reader):
        pairs = PAIRS.read(reader)
        keys = [pair["key"].encode() for pair in pairs]
        if any(key >= following for key, following in zip(keys, keys[1:])):
            raise Malformed("the keys of a map do not grow")
        return {pair["key"]: pair["value"] for pair in pairs}

    def write(self, value):
        pairs = sorted(value.items(), key=lambda pair: pair[0].encode())
        return PAIRS.write([{"key": key, "value": each} for key, each in pairs])


class Struct:
    def __init__(self, **fields):
        self.fields = fields

    def read(self, reader):
        return {name: of.read(reader) for name, of in self.fields.items()}

    def write(self, value):
        assert value.keys() == self.fields.keys()
        return b"".join(of.write(value[name]) for name, of in self.fields.items())


class Enum:
    """A value is (name of the variant, what it holds); a variant holds nothing or one type."""

    def __init__(self, *variants):
        self.variants = [each if isinstance(each, tuple) else (each, None) for each in variants]

    def read(self, reader):
        number = U32.read(reader)
        if number >= len(self.variants):
            raise Malformed(f"there is no variant {number} of {self.variants}")
        name, of = self.variants[number]
        return name, of.read(reader) if of else None

    def write(self, value):
        name, holds = value
        number = [each for each, _ in self.variants].index(name)
        of = self.variants[number][1]
        return U32.write(number) + (of.write(holds) if of else b"")


BOOL = Bool()
U16, U32, U64 = Integer(16), Integer(32), Integer(64)
BYTES, TEXT = Bytes(), Text()
PAIRS = List(Struct(key=TEXT, value=TEXT))
MAP = Map()


def decode(of, data: bytes):
    """A value from the front of the bytes, and what is left of them."""
    reader = Reader(data)
    value = of.read(reader)
    written = of.write(value)
    if written != data[: reader.at]:
        raise Malformed(f"{data[: reader.at].hex()} is not the one encoding, {written.hex()}")
    return value, reader.rest()


def decode_all(of, data: bytes):
    value, rest = decode(of, data)
    if rest:
        raise Malformed(f"{len(rest)} bytes are left over")
    return value
