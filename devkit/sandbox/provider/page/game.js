// The page of the sandbox provider's game. It asks its own server alone: that one signs, and calls the aggregator.

const WORDS = {
  en: {
    rule: "Roll over 50 and win 1.96 times your stake", stake: "Stake", play: "Roll", rolling: "Rolling …",
    balance: "Balance", demo: "Balance for fun", won: "You win {win}", lost: "{roll}: no luck this time",
    returned: "The die was lost. Your stake is back.", refused: "Your bet was not taken.",
    no_money: "Your balance is too low for this stake.", pending: "Your bet is still on its way. Its end will come.",
    unreachable: "No connection. Try again.", unknown_session: "This game has ended. Open it again.",
  },
  pt: {
    rule: "Tire mais de 50 e ganhe 1,96 vezes a aposta", stake: "Aposta", play: "Rolar", rolling: "Rolando …",
    balance: "Saldo", demo: "Saldo de demonstração", won: "Você ganhou {win}", lost: "{roll}: não foi desta vez",
    returned: "O dado se perdeu. Sua aposta voltou.", refused: "Sua aposta não foi aceita.",
    no_money: "Seu saldo é baixo demais para esta aposta.", pending: "Sua aposta ainda está a caminho. O fim virá.",
    unreachable: "Sem conexão. Tente de novo.", unknown_session: "Este jogo terminou. Abra-o de novo.",
  },
};
const STAKES = [0.5, 1, 2.5, 5, 10, 25, 100, 500, 1000, 5000];
const SHOWN = 5;

const query = new URLSearchParams(location.search);
const language = query.get("language") ?? "en";
const words = WORDS[language.slice(0, 2)] ?? WORDS.en;
const address = `/play/${encodeURIComponent(query.get("session") ?? "")}`;
const part = (id) => document.getElementById(id);
let money = new Intl.NumberFormat(language);

async function start() {
  document.documentElement.lang = language;
  part("rule").textContent = words.rule;
  part("legend").textContent = words.stake;
  part("play").textContent = words.play;
  part("label").textContent = words[query.get("mode") === "demo" ? "demo" : "balance"];
  const seat = await ask(address);
  if (seat.currency === undefined) return show(seat);
  // A currency of the aggregator may be none that the browser knows.
  const style = /^[A-Z]{3}$/.test(seat.currency) ? { style: "currency", currency: seat.currency } : {};
  money = new Intl.NumberFormat(language, style);
  offer(Number(seat.minBet), Number(seat.maxBet));
  showBalance(seat.balance);
  part("bet").addEventListener("submit", (event) => {
    event.preventDefault();
    play(part("bet").elements.stake.value);
  });
  await balanceKnown();
}

// The aggregator may not know the balance just now. A bet that ends meanwhile shows it too.
async function balanceKnown() {
  while (part("balance").textContent === "…") {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const { balance } = await ask(address);
    if (balance != null && part("balance").textContent === "…") showBalance(balance);
  }
}

function offer(least, most) {
  const decimals = money.resolvedOptions().maximumFractionDigits;
  const stakes = STAKES.filter((one) => one >= least && one <= most && Number(one.toFixed(decimals)) === one);
  const offered = stakes.length ? stakes.slice(0, SHOWN) : [least];
  for (const [place, one] of offered.entries()) {
    const choice = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: "stake", value: one.toFixed(decimals) });
    input.checked = place === Math.min(1, offered.length - 1);
    const text = document.createElement("span");
    text.textContent = money.format(one);
    choice.append(input, text);
    part("stakes").append(choice);
  }
}

async function play(stake) {
  const button = part("play");
  if (button.disabled) return;
  button.disabled = true;
  button.textContent = words.rolling;
  part("result").textContent = "";
  document.body.dataset.outcome = "rolling";
  const answer = await ask(`${address}/bets`, { stake });
  show(answer);
  button.disabled = false;
  button.textContent = words.play;
  button.focus();
}

function show({ outcome, reason, roll, win, balance }) {
  document.body.dataset.outcome = outcome;
  const text = reason === "no_money" ? words.no_money : words[outcome] ?? words.refused;
  part("result").textContent = text.replace("{win}", win && money.format(win)).replace("{roll}", roll);
  if (balance != null) showBalance(balance);
  if (roll === undefined) return;
  part("roll").textContent = roll;
  part("mark").style.left = `${roll}%`;
  const past = document.createElement("li");
  past.textContent = roll;
  past.className = outcome;
  part("past").prepend(past);
  part("past").children[10]?.remove();
}

function showBalance(balance) {
  part("balance").textContent = balance === null ? "…" : money.format(balance);
}

async function ask(path, body) {
  const headers = { "Content-Type": "application/json" };
  const request = body && { method: "POST", headers, body: JSON.stringify(body) };
  try {
    return await (await fetch(path, request)).json();
  } catch {
    return { outcome: "unreachable" };
  }
}

start();
