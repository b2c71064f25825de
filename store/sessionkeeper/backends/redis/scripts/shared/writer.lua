-- Exactly once: a write belongs to an epoch of its writer, and leaves its answer with the writer in
-- the same step. ARGV begins with the epoch, the operation's number, and its place in the ring.
local FENCED = { 'FENCED' }

local function fenced() return call('HGET', WRITER, 'epoch') ~= ARGV[1] end

local function done(answer)
  call('HSET', WRITER, ARGV[3], cmsgpack.pack({ ARGV[2], answer }))
  return answer
end
