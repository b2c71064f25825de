-- The header of a frame: a tuple of a small number, a number, and the detail or nil, in MessagePack.
-- By the first byte, how many bytes of a number follow, and where the bytes of a `bin` begin.
local NUMBERS = { [0xcc] = 1, [0xcd] = 2, [0xce] = 4, [0xcf] = 8, [0xd0] = 1, [0xd1] = 2, [0xd2] = 4, [0xd3] = 8 }
local BINS = { [0xc4] = 2, [0xc5] = 3, [0xc6] = 5 }
-- How many parts a detail has, by its first byte, if the last of them is a stream.
local STREAM_PARTS = { [0x94] = 4, [0x96] = 6 }

-- Return where the detail begins in a header, and its bytes; nil if there is none. `cmsgpack` cannot read
-- a `bin`, which the detail is.
local function detail_in(header)
  local at = 4 + (NUMBERS[string.byte(header, 3)] or 0)
  local bin = BINS[string.byte(header, at)]
  return at, bin and string.sub(header, at + bin)
end

-- Return the stream in a detail; nil if there is none.
local function stream_in(detail)
  local parts = detail and STREAM_PARTS[string.byte(detail)]
  return parts and cmsgpack.unpack(detail)[parts]
end
