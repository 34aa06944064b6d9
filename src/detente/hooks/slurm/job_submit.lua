-- detente: refuses jobs while the accord gives no leave. Installed by `detente slurm install`; spec/slurm.md §3 of the project.
--
-- Reads local files only: slurmctld holds its locks while this runs. It looks at the form and the lapse of the leave; the
-- signatures are looked at by PrologSlurmctld before a job starts. Whatever it does not understand, it refuses, root's jobs too.
-- Time is /proc/uptime, which no wall clock moves.

local FOLDER = "@FOLDER@"
local LEAVE_MAX, CLOSED_MAX, SHOWN_MAX = 131070, 4096, 300
local NO_SUCH_FILE = 2

local function read(path, most)
  local file, why, code = io.open(path, "rb")
  if file == nil then return nil, why, code end
  local text = file:read(most + 1)
  file:close()
  if text == nil then return nil, path .. ": nothing to read", 0 end
  if #text > most then return nil, path .. ": too long", 0 end
  return text
end

local function shown(text)
  return (text:match("^[^\n]*"):gsub("[^\32-\126]", " "):sub(1, SHOWN_MAX))
end

-- The reason why nothing may start, or nil.
local function reason()
  local closed, why, code = read(FOLDER .. "/closed", CLOSED_MAX)
  if closed ~= nil then return "U01 paused: " .. shown(closed) end
  if code ~= NO_SUCH_FILE then return "U03 malformed: cannot tell whether this cluster is paused" end
  local leave = read(FOLDER .. "/leave", LEAVE_MAX)
  if leave == nil then return "U02 not-found: no leave of the accord is posted here" end
  local none = leave:match("^detente%-posted%-leave 1\nnone ([^\n]+)\n$")
  if none ~= nil then return "U04 paused: no leave: " .. shown(none) end
  local boot, asked, life = leave:match(
    "^detente%-posted%-leave 1\nboot ([0-9a-f-]+)\nasked (%d+)\nlife (%d+)\nsalt %x+\npermit [A-Za-z0-9+/]+=?=?\n$")
  if boot == nil or #asked > 15 or #life > 9 then return "U03 malformed: the posted leave does not read" end
  local here = read("/proc/sys/kernel/random/boot_id", 64)
  local uptime = read("/proc/uptime", 128)
  local now = uptime and tonumber(uptime:match("^(%d+%.%d+) "))
  if here == nil or now == nil then return "U03 malformed: the clock of this machine does not read" end
  if here:match("^[0-9a-f-]+") ~= boot then return "U05 expired: leave from before this machine started" end
  local from = tonumber(asked) / 1000
  -- The uptime is cut to hundredths: up to 10 ms of the life are given away at both ends.
  if now + 0.01 < from or now + 0.01 >= from + tonumber(life) then return "U05 expired: the posted leave has lapsed" end
  return nil
end

local function answer(what)
  -- Slurm takes a plugin that raises an error for one that agreed: nothing may leave here as an error.
  local ran, why = pcall(reason)
  if not ran then why = "U03 malformed: the gate failed" end
  if why == nil then return slurm.SUCCESS end
  pcall(slurm.log_user, "detente: " .. what .. " refused: " .. (why:gsub("%%", "%%%%")))
  return slurm.ESLURM_ACCESS_DENIED or slurm.ERROR
end

function slurm_job_submit(job_desc, part_list, submit_uid)
  return answer("job")
end

function slurm_job_modify(job_desc, job_rec, part_list, modify_uid)
  local ran, priority = pcall(function() return job_desc.priority end)
  if ran and priority == 0 then return slurm.SUCCESS end -- a hold: what restricts is free
  return answer("change of a job")
end

return slurm.SUCCESS
