"""What pure modules and the check of a version say, in the reader's language.

They run where there is no Django and no language, and say English sentences that logs and API clients read. Here each
sentence stands with its parameters, so that a page can say it in Korean; `tests/registry/test_wording.py` finds any
that is missing.
"""

from __future__ import annotations

import re
from functools import cache

from django.utils.translation import gettext
from django.utils.translation import gettext_noop as _

from common.korean import settle_particles

_LONGEST = 4000
_PARAMETER = re.compile(r"%\((\w+)\)s")

# The first that fits is taken: what begins with a parameter, or is the beginning of another, stands after the others.
SENTENCES = (
    _("holds a control or invisible character"),
    _("holds a path step (. or ..)"),
    _("holds a slash"),
    _("longer than %(most)s bytes"),
    _("must not be empty"),
    _("the converted %(path)s is no safetensors file"),
    _("%(version)s has no files"),
    _("%(path)s is no path inside a folder"),
    _("sha256 of %(path)s differs from what was registered"),
    _("the check ended early: %(why)s"),
    _("it took more than %(seconds)s s"),
    _("loading took more than %(seconds)s s"),
    _("a batch ran longer than %(seconds)s s and was ended"),
    _("the process ended with %(signal)s, perhaps for want of memory: it may have %(most)s MiB"),
    _("the process ended with status %(status)s"),
    _("the process ended with %(signal)s"),
    _("the model wants more memory than the %(most)s MiB it may have"),
    _("the model raised %(kind)s: %(said)s"),
    _("%(given)s inputs, the signature has %(wanted)s"),
    _("%(rows)s rows are waiting already"),
    _("input `%(name)s` is %(kind)s %(shape)s of %(size)s bytes, the signature says %(wanted)s %(sides)s"),
    _("output `%(name)s` has %(given)s rows for %(rows)s rows of input"),
    _("the deadline passed before the model ran"),
    _("the inputs have different numbers of rows"),
    _("%(most)s MiB in the process"),
    _("%(rows)s rows give the same together and alone"),
    _("%(count)s tensors written as safetensors"),
    _("%(format)s, %(architecture)s, task %(task)s"),
    _("a program"),
    _("gives %(shapes)s for %(inputs)s"),
    _("the sample"),
    _("zeros and random numbers"),
    _("kept as it is"),
    _(
        "output `%(name)s` of a row changes when other rows run beside it: rows must not mix (batch "
        "statistics, padding without a mask)"
    ),
    _("takes one request at a time"),
    _("%(format)s is a program and runs only in a trusted version"),
    _("%(format)s is a program and runs only behind walls that this system lacks: %(walls)s"),
    _("`%(name)s` has shape %(given)s, the architecture says %(wanted)s"),
    _("cannot be loaded as %(format)s: %(said)s"),
    _("cannot be read as a state dict: %(said)s"),
    _("cannot be read as safetensors: %(said)s"),
    _("is no state dict: save model.state_dict(), a mapping of names to tensors"),
    _("lacks %(names)s and has the unknown %(others)s; the architecture wants %(wanted)s"),
    _("lacks %(names)s; the architecture wants %(wanted)s"),
    _("has the unknown %(names)s; the architecture wants %(wanted)s"),
    _("a text is not UTF-8"),
    _("cannot be read: %(said)s"),
    _("may have %(most)s characters each, and no control characters"),
    _("must be different texts"),
    _("must be one of %(words)s"),
    _("no list of labels: %(kind)s"),
    _("output `%(name)s` has shape %(given)s, the signature says %(wanted)s"),
    _("output `%(name)s` holds a number that is not finite"),
    _("output `%(name)s` is %(given)s, the signature says %(wanted)s"),
    _("text-classification gives label BYTES [-1], score FP32 [-1], scores FP32 [-1, %(count)s]"),
    _("text-classification needs this file"),
    _("text-classification takes one BYTES input of shape [-1]"),
    _("the module gives %(given)s outputs, the signature says %(wanted)s"),
    _("the module gives no output `%(name)s`"),
    _("the module gives no tensors"),
    _("the module gives shape %(given)s, %(wanted)s is wanted"),
    _("the scores are not finite"),
    _("the task tensor knows no %(kind)s"),
    _("%(architecture)s takes %(names)s"),
    _("is missing"),
    _("make %(count)s parameters, more than %(most)s"),
    _("must be a list of %(shortest)s to %(longest)s whole numbers from %(low)s to %(high)s"),
    _("must be a whole number from 1 to %(high)s"),
    _("must be a whole number from %(low)s to %(high)s"),
    _("must be an object"),
    _("must divide dim"),
    _("the archive holds %(name)s, which is a link or a special file"),
    _("the archive holds %(name)s, which is encrypted"),
    _("the archive holds %(name)s, which unpacks to more than %(most)s times its size"),
    _("the archive must hold 1 to %(most)s files, it holds %(count)s"),
    _("the archive names %(path)s twice"),
    _("the archive is damaged: %(said)s"),
    _("the archive unpacks to %(size)s bytes, more than %(most)s"),
    _("the archive unpacks to more than it says, and more than is allowed"),
    _("%(path)s is among the files: send no other manifest"),
    _("%(path)s was sent twice"),
    _("only zip archives are unpacked"),
    _("no files were sent"),
    _("send 1 to %(most)s files"),
    _("the files of a version may have at most %(most)s bytes"),
    _("no file holds weights"),
    _("no file holds weights that are served here (flavours: %(names)s)"),
    _("nothing says what %(path)s takes and gives: log it with a signature, or add %(name)s"),
    _("nothing says which architecture these weights are for: add %(name)s to the folder"),
    _("there is more than one %(name)s"),
    _("is not plain YAML: %(said)s"),
    _("must be an object with flavors"),
    _("%(paths)s all hold weights: name one"),
    _("is %(what)s by its content, the manifest says %(wanted)s"),
    _("is %(what)s, a program that the manifest does not name"),
    _("is a pickled torch module, which runs code when it is read: save model.state_dict() or safetensors"),
    _("is a pickle, which runs code when it is read: save the weights as safetensors"),
    _("is a joblib file, which runs code when it is read: save the weights as safetensors"),
    _("is a torch.package, which holds Python code: save the weights as safetensors"),
    _("is a numpy file with Python objects, which runs code when it is read"),
    _("is a compressed file, whose content cannot be judged: unpack it first"),
    _("is an archive that unpacks to far more than its own size"),
    _("is a damaged or ambiguous archive"),
    _("%(name)s is not in the folder"),
    _("has more than %(most)s bytes"),
    _("is neither a file nor a folder"),
    _("is not JSON: %(said)s"),
    _("the key %(key)s stands twice"),
    _("%(word)s is not a JSON number"),
    _("is not known; a manifest has %(keys)s"),
    _("must be a plain path inside the folder"),
    _("must be an object of nested lists by input name"),
    _("must be an object with max_batch"),
    _("must be the path of a file in the folder"),
    _("must hold exactly the inputs %(names)s"),
    _("%(path)s is not a plain path inside a folder"),
    _("%(path)s lies more than %(most)s folders deep"),
    _("%(path)s… has more than %(most)s characters"),
    _("may neither look like a version number nor be 'latest'"),
    _("must be 1 to %(most)s printable characters"),
    _("must have 1 to %(most)s characters"),
    _("must begin and end with a letter, digit or _ and hold only letters of any script, digits, . _ and -"),
    _("data does not have the shape %(shape)s"),
    _("data must be a list"),
    _("element %(place)s has %(count)s characters, more than %(most)s"),
    _("element %(place)s holds a NUL character"),
    _("element %(place)s holds a lone surrogate"),
    _("element %(place)s is not text"),
    _("has %(count)s elements, more than %(most)s"),
    _("holds %(count)s elements, its shape says %(wanted)s"),
    _("holds a number out of the range of %(kind)s"),
    _("holds a number that is not finite or out of the range of %(kind)s"),
    _("holds %(given)s where %(kind)s is wanted"),
    _("must be a list of 1 to %(most)s tensors"),
    _("must be a number of characters from 1 to 1048576"),
    _("must be an object with name, datatype and shape"),
    _("must be text of 1 to %(most)s characters"),
    _("must be up to %(most)s sizes, each positive or -1"),
    _("names must differ"),
    _("shape %(given)s does not fit %(wanted)s"),
    _("the batch is empty"),
    _("the signature must be an object with inputs and outputs"),
    _("a version that runs elsewhere is registered from its server, not from files"),
    _("the server says the same"),
    _("the sample was answered"),
    _("the server does not say what the model takes and gives; the given signature holds"),
    _("input `%(name)s` is new"),
    _("input `%(name)s` is not there"),
    _("output `%(name)s` is not there"),
    _("input `%(name)s` is %(given)s, registered as %(wanted)s"),
    _("output `%(name)s` is %(given)s, registered as %(wanted)s"),
    _("%(server)s answers, and the model is ready there"),
    _("%(server)s cannot be reached: %(why)s"),
    _("%(server)s closed the connection"),
    _("%(server)s did not answer in time"),
    _("%(server)s TLS failed: %(why)s"),
    _("%(server)s gave no good answer: %(why)s"),
    _("%(server)s answered nonsense: %(why)s"),
    _("%(server)s says that the model is not ready"),
    _("%(server)s knows no such model"),
    _("%(server)s redirects, which is not followed (%(status)s)"),
    _("%(server)s does not take our credential (%(status)s)"),
    _("%(server)s does not let our credential call this model (%(status)s)"),
    _("%(server)s does not know this model (%(status)s)"),
    _("%(server)s is not ready (%(status)s)"),
    _("%(server)s failed (%(status)s)"),
    _("%(server)s does not take our credential (%(status)s): %(said)s"),
    _("%(server)s does not let our credential call this model (%(status)s): %(said)s"),
    _("%(server)s does not know this model (%(status)s): %(said)s"),
    _("%(server)s is not ready (%(status)s): %(said)s"),
    _("%(server)s refused the call (%(status)s): %(said)s"),
    _("%(server)s failed (%(status)s): %(said)s"),
    _("its address may not be opened"),
    _("a Hugging Face folder serves one of %(tasks)s"),
    _("a Hugging Face folder takes max_tokens, pooling, normalise, scores"),
    _("a Hugging Face folder needs one package more: pip install -r %(file)s"),
    _("a pattern has more than %(most)s characters"),
    _("an added token is no text of at most %(most)s characters"),
    _("asks for %(wanted)s parameters, the weights hold %(held)s"),
    _("cannot be told from the architecture %(name)s: name it"),
    _("has a %(kind)s; Transformer, Pooling and Normalize are served"),
    _("has more than %(most)s added tokens"),
    _("is %(what)s by its content, and no safetensors"),
    _("is a state dict; of a Hugging Face folder only safetensors is read: leave it out"),
    _("is an adapter: merge it into the weights first"),
    _("is code, which is never run: leave it out"),
    _("is missing: save the fast tokeniser"),
    _("its %(part)s is larger than that of any tokeniser"),
    _("must be %(name)s for this folder"),
    _("must be a number up to %(most)s"),
    _("must be a whole number"),
    _("must be true or false"),
    _("must give a text of its own to each number from 0 on"),
    _("must name 2 to %(most)s labels"),
    _("must name files model-00001-of-00002.safetensors, and no other weights beside them"),
    _("must pool by the mean or by the first token"),
    _("must be a list"),
    _("names code of the author's, which is never run"),
    _("asks for a quantiser, and those are not loaded: save the plain weights"),
    _("lacks `%(name)s` and %(count)s more; %(architecture)s wants them"),
    _("embedding gives one FP32 output of shape [-1, size]"),
    _("gives token %(token)s, the model knows %(known)s"),
    _("token-classification gives one BYTES output of shape [-1]"),
    _("a program computes in the types that it was exported with"),
    _("this program computes only on the device that it was exported for"),
    _("the new settings cannot be used: %(why)s"),
    _("%(task)s takes one BYTES input of shape [-1]"),
    _("%(device)s is not there"),
    _("the file is neither Parquet nor JSON Lines nor CSV"),
    _("the file has %(count)s columns; 1 to %(most)s are taken"),
    _("the file cannot be read: %(said)s"),
    _("the engine does not answer"),
    _("the database does not answer"),
    _("this credential may not call deployments; it needs the scope predict"),
    _("this key may not call that deployment"),
    _("the model is being loaded"),
    _("the model is being replaced"),
    _("the model is not loaded yet"),
    _("the model's process has ended"),
    _("too many rows wait for this model"),
    _("the model gave a number that is not finite in '%(name)s'"),
    _("deployment '%(name)s' does not serve version %(version)s"),
    _("deployment '%(name)s' is not in service"),
    _("there is no deployment '%(name)s'"),
    _("write one line for each, such as x FP32 [-1, 256]"),
    _("sizes are whole numbers, -1 for any"),
    _("must be whole numbers, such as 256, 512, 16"),
    _("%(line)s is not of the form: x FP32 [-1, 256]"),
    _("a limit is needed: at_least or at_most"),
    _("is below at_least"),
    _("is no field of a requirement of this kind (%(kind)s)"),
    _("must be a finite number"),
    _("must be a list of at most %(most)s"),
    _("must be a whole number from 1 on"),
    _("must be text of at most %(most)s characters"),
    _("must be the id of a dataset"),
    _("must not be below nought"),
    _("stands there twice"),
    _("the canary's %(name)s is out of range"),
    _("out of range"),
    _("the signature that %(server)s tells cannot be used: %(why)s"),
    _("%(server)s answered nonsense: its index is no list"),
    _("%(server)s answered nonsense: no JSON object"),
    _("has %(rows)s rows, more than %(most)s"),
    _("has %(rows)s rows, %(name)s has %(others)s"),
)


def in_words(message: str, *, depth: int = 3) -> str:
    """Give a sentence of a check in the language of the reader; one that is not known stays as it is."""
    if not depth or len(message) > _LONGEST:
        return message
    field, colon, rest = message.partition(": ")
    if colon and " " not in field:
        return f"{field}: {in_words(rest, depth=depth - 1)}"
    for sentence in SENTENCES:
        found = _read(sentence, message)
        if found is not None:
            said = {name: in_words(value, depth=depth - 1) for name, value in found.items()}
            return settle_particles(gettext(sentence) % said)
    return f"{field}: {in_words(rest, depth=depth - 1)}" if colon else message


def _read(sentence: str, message: str) -> dict[str, str] | None:
    """Give the parameters with which a sentence is the message, `None` if it is another.

    By searching for the parts in turn, never by an expression: a hostile model may have chosen the words.
    """
    texts, names = _parts(sentence)
    if not names:
        return {} if message == sentence else None
    if not message.startswith(texts[0]) or not message.endswith(texts[-1]):
        return None
    values, at = [], len(texts[0])
    end = len(message) - len(texts[-1])
    for text in texts[1:-1]:
        found = message.find(text, at, end)
        if found < 0:
            return None
        values.append(message[at:found])
        at = found + len(text)
    return dict(zip(names, [*values, message[at:end]], strict=True)) if at < end else None


@cache
def _parts(sentence: str) -> tuple[list[str], list[str]]:
    pieces = _PARAMETER.split(sentence)
    return pieces[::2], pieces[1::2]
