-- The keys that every script gets, in this order. Sessions and logs follow in pairs.
local WRITER, META, ORDER, IDLE, AGES, ENDED, PRINCIPALS, CHANGES =
  KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7], KEYS[8]
local PAIRS = 8
local call = redis.call
local EXPIRY, EXPIRY_RECORDS = string.match(META, '^{.-}') .. ':ttl', string.match(META, '^{.-}') .. ':expiry-records' --@ttl
