--@use keys rows headers removed streams
-- Count the frames of a stream. ARGV: 1 principal, 2 the stream, after its length.
local row = find(KEYS[9], ARGV[1])
if not row then return { 'MISSING' } end
local first = row.last - row.count + 1
return { 'OK', #stream_numbers(KEYS[10], row, ARGV[2], first, row.last, row.count, false) }
