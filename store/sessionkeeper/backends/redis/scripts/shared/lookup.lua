-- What became of an operation of a writer: `done` keeps the last answers in a ring, and `first` is
-- the number the ledger began with. Answers 1 and what it was answered, 0 if it never will be
-- applied, -1 if nobody can tell any more. Ask only after a new epoch was taken.
local function lookup(number, place)
  local first = call('HGET', WRITER, 'first')
  if not first or tonumber(number) < tonumber(first) then return { -1 } end
  local kept = call('HGET', WRITER, place)
  if not kept then return { 0 } end
  local entry = cmsgpack.unpack(kept)
  if entry[1] == number then return { 1, entry[2] } end
  return { tonumber(entry[1]) > tonumber(number) and -1 or 0 }
end
