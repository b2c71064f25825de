-- Exactly once: a write belongs to an epoch of its writer, and stores its answer in the writer log in the
-- same step. ARGV begins with the epoch, the operation's number and its place in the ring. It ends with
-- the number and place of the operation that must have been applied before, or ''.
local FENCED, BEHIND = { 'FENCED' }, { 'BEHIND' }

local function is_fenced() return call('HGET', WRITER, 'epoch') ~= ARGV[1] end

local function is_applied(operation)
  if operation == '' then return true end
  local number, place = string.match(operation, '^(%d+):(%d+)$')
  local entry = call('HGET', WRITER, place)
  return entry and cmsgpack.unpack(entry)[1] == number
end

local function record(answer)
  call('HSET', WRITER, ARGV[3], cmsgpack.pack({ ARGV[2], answer }))
  return answer
end
