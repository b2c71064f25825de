-- Look up the outcome of an operation. `record` keeps the last answers of a writer in a ring; `first` is
-- the first number of the log. Returns 1 and the answer, 0 if the operation never will be applied, or -1
-- if it cannot be known any more. Only for use after a new epoch began.
local function look_up(number, place)
  local first = call('HGET', WRITER, 'first')
  if not first or tonumber(number) < tonumber(first) then return { -1 } end
  local packed = call('HGET', WRITER, place)
  if not packed then return { 0 } end
  local entry = cmsgpack.unpack(packed)
  if entry[1] == number then return { 1, entry[2] } end
  return { tonumber(entry[1]) > tonumber(number) and -1 or 0 }
end
