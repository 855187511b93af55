// The form of a review queue: what each rule would have brought, and the labels of the chosen deployment's model.
(() => {
  const form = document.querySelector("[data-queue-form]");
  const labels = JSON.parse(document.getElementById("queue-labels").textContent);
  const take = form.querySelector("[data-take-labels]");
  const deployment = form.elements.deployment;
  let asked = 0, timer = 0;

  const offer = () => { take.hidden = !(labels[deployment.value] || []).length; };
  take.addEventListener("click", () => {
    form.elements.choices.value = labels[deployment.value].join("\n");
    form.elements.choices.rows = Math.min(14, labels[deployment.value].length + 1);
  });

  const preview = async () => {
    const mine = ++asked;
    const reply = await fetch(form.dataset.preview, { method: "POST", body: new FormData(form) }).catch(() => null);
    if (!reply?.ok || reply.redirected || mine !== asked) return;
    const told = await reply.json();
    for (const line of form.querySelectorAll("[data-would]")) line.textContent = told[line.dataset.would] || "";
  };

  form.addEventListener("input", (event) => {
    if (event.target === deployment) offer();
    if (event.target !== deployment && !event.target.closest(".rv-rule")) return;
    clearTimeout(timer);
    timer = setTimeout(preview, 400);
  });
  offer();
  preview();
})();
