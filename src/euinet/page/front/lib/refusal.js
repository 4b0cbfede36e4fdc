// What could not be done, in one sentence for people.

export class Refusal extends Error {
  constructor(message, status, retryAfter) {
    super(message);
    this.status = status; // HTTP's; 0: there was no answer at all
    this.retryAfter = retryAfter; // seconds after which to ask again, or null
  }
}
