// One file on its way to the server in pieces: goes on by itself after a broken connection, can be paused and resumed.
window.FluemanTransfer = class {
  static PIECE = 64 * 1024 * 1024;
  static WAITS = [1, 2, 4, 8, 15, 30, 30, 30];

  // `begin`: address that begins an upload; `token`: the form's CSRF token; `loggedOut`: what to say when the log-in has
  // ended; `told(transfer, problem)` hears of each step.
  constructor(file, { begin, token, loggedOut = "", name = file.name, folder = "", isTemporary = false, isPublic = false, url = "", told = () => {} }) {
    Object.assign(this, { file, begin, token, loggedOut, name, folder, isTemporary, isPublic, url, told });
    this.offset = 0;
    this.state = "waiting";
  }

  // Send it all; gives what the server says at the end: {id, file}.
  async run() {
    for (let tries = 0; ; ) {
      const before = this.offset;
      try {
        if (!this.answer && !this.url) this.take(await this.call("POST", this.begin, this.announcement()));
        else this.take(await this.call("GET", this.url));
        return await this.sendAll();
      } catch (problem) {
        if (this.isStopped) throw problem;
        tries = this.offset > before ? 0 : tries + 1;
        if (FluemanTransfer.isLasting(problem) || tries > FluemanTransfer.WAITS.length) throw this.tell("failed", problem);
        this.tell("lost", problem);
        await this.wait(FluemanTransfer.WAITS[tries ? tries - 1 : 0]);
        if (this.isStopped) throw problem;
      }
    }
  }

  get isStopped() {
    return this.state === "paused" || this.state === "cancelled";
  }

  static isLasting(problem) {
    return problem.status >= 400 && problem.status < 500 && problem.status !== 409;
  }

  pause() {
    this.stop("paused");
  }

  // Let the server forget what it has, as soon as it can be told; what it is never told of goes by itself later.
  async cancel() {
    this.stop("cancelled");
    if (!this.url) return;
    for (const seconds of FluemanTransfer.WAITS) {
      try {
        return await this.call("DELETE", this.url);
      } catch (problem) {
        if (FluemanTransfer.isLasting(problem)) return;
        await this.wait(seconds);
      }
    }
  }

  stop(state) {
    this.tell(state);
    this.request?.abort();
    this.wake?.();
  }

  wait(seconds) {
    return new Promise((done) => {
      this.wake = done;
      setTimeout(done, 1000 * seconds);
    });
  }

  announcement() {
    const said = { name: this.name, size_bytes: this.file.size, folder: this.folder, is_temporary: this.isTemporary, is_public: this.isPublic };
    return new Blob([JSON.stringify(said)], { type: "application/json" });
  }

  async sendAll() {
    while (this.answer.state === "receiving") {
      this.tell("sending");
      const piece = this.file.slice(this.offset, this.offset + FluemanTransfer.PIECE);
      this.take(await this.call("PATCH", this.url, piece, this.offset));
    }
    if (this.answer.state !== "done") throw new Error(this.answer.state);
    this.tell("done");
    return this.answer;
  }

  take(answer) {
    this.answer = answer;
    if (!answer) return;
    this.url = answer.url;
    this.offset = answer.offset;
  }

  call(method, url, body = null, offset = null) {
    return new Promise((done, failed) => {
      const request = (this.request = new XMLHttpRequest());
      request.open(method, url);
      request.setRequestHeader("X-CSRFToken", FluemanTransfer.token(this.token));
      request.setRequestHeader("Accept", "application/json");
      if (offset !== null) {
        request.setRequestHeader("Upload-Offset", offset);
        request.setRequestHeader("Content-Type", "application/offset+octet-stream");
        request.upload.addEventListener("progress", (step) => {
          this.sent = offset + step.loaded;
          this.tell(this.sent < this.file.size ? "sending" : "checking");
        });
      }
      request.addEventListener("load", () => {
        const answer = /json/.test(request.getResponseHeader("Content-Type")) ? JSON.parse(request.responseText) : null;
        if (FluemanTransfer.isLogIn(request, method, url, answer)) return failed(Object.assign(new Error(this.loggedOut), { status: 401 }));
        if (request.status < 300) return done(answer);
        failed(Object.assign(new Error(answer?.error?.message || `${request.status}`), { status: request.status, fields: answer?.error?.fields }));
      });
      for (const way of ["error", "abort", "timeout"]) request.addEventListener(way, () => failed(new Error(way)));
      request.send(body);
    });
  }

  // Whether the log-in was asked for instead: refused, led to its page, or to one of whoever stands before the server.
  static isLogIn(request, method, url, answer) {
    const isElsewhere = new URL(request.responseURL).pathname !== new URL(url, location.href).pathname;
    return request.status === 401 || isElsewhere || (request.status < 300 && !answer && method !== "DELETE");
  }

  // The token of the last log-in, which may be newer than the page.
  static token(given) {
    return document.cookie.match(/(?:^|; )csrftoken=([^;]+)/)?.[1] || given;
  }

  tell(state, problem) {
    this.state = state;
    this.told(this, problem);
    return problem;
  }

  static size(bytes) {
    const units = ["B", "KB", "MB", "GB"];
    const step = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(bytes, 1)) / 10));
    return `${(bytes / 1024 ** step).toFixed(step && bytes / 1024 ** step < 10 ? 1 : 0)} ${units[step]}`;
  }
};
