// One piece of work at a time, and of what came meanwhile only the last: a drawing outruns any answer.

// `work(job)` is asynchronous. Returns `submit(job)`, `forget()` (what is still under way is not shown) and
// `idle()`, which says whether nothing is under way.
export function latest(work, onResult, onError) {
  let busy = false;
  let waiting = null;
  let round = 0;

  async function run(job) {
    busy = true;
    const mine = round;
    try {
      const result = await work(job);
      if (mine === round) onResult(result, job);
    } catch (error) {
      if (mine === round) await onError(error, job, () => (waiting ??= job));
    }
    busy = false;
    if (waiting !== null) {
      const next = waiting;
      waiting = null;
      run(next);
    }
  }

  return {
    submit(job) {
      if (busy) waiting = job;
      else run(job);
    },
    forget() {
      round += 1;
      waiting = null;
    },
    idle: () => !busy && waiting === null,
  };
}
