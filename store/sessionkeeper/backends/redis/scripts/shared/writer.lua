-- Exactly once: a write belongs to an epoch of its writer, and leaves its answer with the writer in
-- the same step. ARGV begins with the epoch, the operation's number, and its place in the ring. It
-- ends with the number and the place of the operation that must have been applied before, or ''.
local FENCED, BEHIND = { 'FENCED' }, { 'BEHIND' }

local function fenced() return call('HGET', WRITER, 'epoch') ~= ARGV[1] end

local function follows(before)
  if before == '' then return true end
  local number, place = string.match(before, '^(%d+):(%d+)$')
  local kept = call('HGET', WRITER, place)
  return kept and cmsgpack.unpack(kept)[1] == number
end

local function done(answer)
  call('HSET', WRITER, ARGV[3], cmsgpack.pack({ ARGV[2], answer }))
  return answer
end
