-- One draw in Redis as its users write it: one script, one atomic step. The same rules as campaign.yaml beside it: an
-- idempotency key, a cap of 1,000 draws a day for a user, eight prizes by weight, stock, a record.
--
-- KEYS[1] campaign   ARGV[1] user   ARGV[2] idempotency key
local c, user, key = KEYS[1], ARGV[1], ARGV[2]

-- A key that was seen gives its first answer.
local seen = redis.call('GET', c .. ':key:' .. user .. ':' .. key)
if seen then return seen end

-- The cap, counted by calendar day.
local now = redis.call('TIME')
local day = math.floor(now[1] / 86400)
local counter = c .. ':day:' .. day .. ':' .. user
local used = tonumber(redis.call('GET', counter) or '0')
if used >= 1000 then return redis.error_reply('CAPPED day ' .. used) end

-- Weights of 1,000,000 in all; what is left over is the miss.
local weights = { 1, 10, 100, 1000, 10000, 50000, 100000, 200000 }
local word, outcome = math.random(0, 999999), 'miss'
for i = 1, #weights do
  if word < weights[i] then
    local left = tonumber(redis.call('HGET', c .. ':stock', i) or '0')
    if left > 0 then
      redis.call('HINCRBY', c .. ':stock', i, -1)
      outcome = 'win p' .. i
    end
    break
  end
  word = word - weights[i]
end

redis.call('INCR', counter)
redis.call('EXPIRE', counter, 172800)
local seq = redis.call('INCR', c .. ':seq')
local answer = seq .. ' ' .. outcome
redis.call('SET', c .. ':key:' .. user .. ':' .. key, answer, 'EX', 259200)
redis.call('RPUSH', c .. ':draws', now[1] .. ' ' .. user .. ' ' .. answer)
return answer
