import textwrap
import unittest
from typing import Any

import numpy as np
from site_of_tests import Site, flare

MODEL = {"numpy_key": np.array([1.0, 2.0, 3.0])}

LOOP = """
import numpy as np
import nvflare.client as flare
flare.init()
while flare.is_running():
    m = flare.receive()
"""


def loop(body: str) -> str:
    """A script that does this with each model."""
    return LOOP + textwrap.indent(textwrap.dedent(body), "    ")


class Unmodified(unittest.TestCase):
    def test_a_script_trains_validates_and_submits(self) -> None:
        with flare("plus_one.py") as site:
            self.assertEqual((site.hello["say"], site.hello["versions"]), ("hello", [1]))
            self.assertEqual(site.ready, {"say": "ready"})
            model: Any = MODEL
            for number in (1, 2, 3):
                result = site.run(f"t{number}", model, round=number, rounds=3, kind="full")
                model = result["params"]
                self.assertEqual((result["kind"], result["weight"]), ("full", 2))
            self.assertEqual(model["numpy_key"].tolist(), [4, 5, 6])
            self.assertEqual(site.run("v", model, "validate")["metrics"], {"accuracy": 0.75})
            self.assertEqual(site.run("s", task="submit_model")["params"]["numpy_key"].tolist(), [9, 9, 9])
            self.assertEqual(site.end(), (0, "site site-1, job job-1\n"))

    def test_differences_are_made_for_a_script_that_sends_whole_models(self) -> None:
        with flare("plus_one.py", "--diff") as site:
            result = site.run("1", MODEL, round=1)
            self.assertEqual((result["kind"], result["params"]["numpy_key"].tolist()), ("diff", [1, 1, 1]))

    def test_what_a_script_is_told(self) -> None:
        script = loop("""
            meta = {k: v for k, v in m.meta.items()}
            told = [flare.get_task_name(), m.start_round, m.current_round, m.total_rounds, str(m.params_type),
                    flare.system_info(), flare.get_config()["lr"], meta, flare.is_train(), flare.is_evaluate()]
            flare.send(flare.FLModel(metrics={}, meta={"told": repr(told)}))
        """)
        with flare(script, config={"lr": 0.5}) as site:
            told = site.run("1", MODEL, round=2, rounds=3, kind="diff", headers={"a": "b"})["headers"]["told"]
            ids = {"job_id": "job-1", "site_name": "site-1"}
            system = {"site_name": "site-1", "job_id": "job-1"}
            expected = ["train", 0, 1, 3, "ParamsType.DIFF", system, 0.5, {"a": "b", **ids}, True, False]
            self.assertEqual(told, repr(expected))

    def test_params_may_be_any_value_and_not_arrays_alone(self) -> None:
        value = {"layers": [np.zeros(2), {"rate": 0.5}], "names": ("a", None), 3: b"bytes"}
        with flare(loop("flare.send(flare.FLModel(params=m.params))")) as site:
            back = site.run("1", value)["params"]
            self.assertEqual((back["names"], back[3], back["layers"][1]), (("a", None), b"bytes", {"rate": 0.5}))
            self.assertEqual(back["layers"][0].tolist(), [0, 0])

    def test_who_says_no_weight_counts_as_one(self) -> None:
        with flare(loop("flare.send(flare.FLModel(params=m.params))")) as site:
            self.assertEqual(site.run("1", MODEL)["weight"], 1)

    def test_what_was_sent_is_let_go_unless_the_script_says_otherwise(self) -> None:
        script = loop("""
            answer = flare.FLModel(params=m.params)
            flare.send(answer, clear_cache=False)
            kept = [answer.params is not None, flare.receive() is m]
            from nvflare.client.api import clear
            clear()
            m = flare.receive()
            answer = flare.FLModel(params=m.params)
            flare.send(answer)
            kept += [answer.params is None, m.params is None]
            m = flare.receive()
            flare.send(flare.FLModel(metrics={}, meta={"kept": repr(kept)}))
        """)
        with flare(script) as site:
            site.run("1", MODEL)
            site.run("2", MODEL)
            self.assertEqual(site.run("3", MODEL)["headers"]["kept"], "[True, True, True, True]")

    def test_receive_has_a_timeout(self) -> None:
        script = LOOP.replace("while", "told = flare.receive(timeout=0.01)\nwhile") + (
            "    flare.send(flare.FLModel(metrics={}, meta={'told': repr(told)}))"
        )
        with flare(script) as site:
            import time

            time.sleep(0.5)
            self.assertEqual(site.run("1", MODEL)["headers"]["told"], "None")

    def test_decorated_functions_work(self) -> None:
        script = """
            import nvflare.client as flare
            flare.init()
            @flare.train
            def train(input_model=None, step=1):
                return flare.FLModel(params={k: v + step for k, v in input_model.params.items()})
            @flare.evaluate
            def evaluate(input_model):
                return {"accuracy": 0.5}
            while flare.is_running():
                evaluate()
                train(step=2)
        """
        with flare(textwrap.dedent(script)) as site:
            result = site.run("1", MODEL)
            self.assertEqual(result["metrics"], {"accuracy": 0.5})
            self.assertEqual(result["params"]["numpy_key"].tolist(), [3, 4, 5])

    def test_writers_send_numbers_and_keep_texts(self) -> None:
        script = loop("""
            from nvflare.client.tracking import MLflowWriter, SummaryWriter, WandBWriter
            s, w, f = SummaryWriter(), WandBWriter(), MLflowWriter()
            s.add_scalar("a", np.float32(1.5), global_step=3)
            s.add_scalars("b", {"x": 1, "y": 2.5}); s.flush()
            w.log({"c": 1}, step=4)
            f.log_metric("d", 2, step=5); f.log_metrics({"e": 3})
            f.log_param("p", 1); f.log_params({"q": "r"}); f.set_tag("t", "u"); f.set_tags({"v": 1}); f.log_text("x", "y")
            flare.send(flare.FLModel(metrics={}))
        """)
        with flare(script) as site:
            site.give("1", MODEL)
            said = [site.hear() for _ in range(5)]
            values = [(message["values"], message.get("step")) for message in said]
            expected = [({"a": 1.5}, 3), ({"b/x": 1, "b/y": 2.5}, None), ({"c": 1}, 4), ({"d": 2}, 5), ({"e": 3}, None)]
            self.assertEqual(values, expected)
            site.result()
            code, printed = site.end()
            self.assertEqual((code, len(printed.splitlines())), (0, 5))

    def test_a_stopped_task_has_no_result_and_the_script_goes_on(self) -> None:
        script = loop("""
            import time
            if flare.get_task_name() == "slow":
                time.sleep(0.5)
            flare.send(flare.FLModel(metrics={}, meta={"task": flare.get_task_name()}))
        """)
        with flare(script) as site:
            site.give("1", task="slow")
            site.say("stop", id="1", why="not wanted")
            self.assertEqual(site.result()["say"], "failed")
            self.assertEqual(site.run("2")["headers"]["task"], "train")

    def test_the_words_of_the_script_are_its_own(self) -> None:
        script = "import sys, nvflare.client as flare\nflare.init()\nflare.receive()\n" + (
            "flare.send(flare.FLModel(metrics={}, meta={'argv': repr(sys.argv[1:]), 'name': __name__}))"
        )
        site = flare(script)
        words: list[str] = site.program.args[:]  # type: ignore[index]
        site.__exit__(None, None, None)
        with Site(*words[1:], "--diff", "x") as site:
            headers = site.run("1")["headers"]
            self.assertEqual((headers["argv"], headers["name"]), ("['--diff', 'x']", "__main__"))

    def test_only_rank_0_speaks(self) -> None:
        script = """
            import nvflare.client as flare
            flare.init(rank="1")
            told = [flare.receive(), flare.is_running(), flare.send(flare.FLModel(metrics={})), flare.system_info()]
            for function in (flare.get_task_name, flare.is_train, flare.is_evaluate, flare.is_submit_model):
                try:
                    function()
                except RuntimeError as error:
                    told.append(str(error))
            context = flare.init(rank=0)
            flare.receive()
            flare.send(flare.FLModel(metrics={}, meta={"told": repr(told)}))
        """
        with flare(textwrap.dedent(script)) as site:
            names = ("get_task_name", "is_train", "is_evaluate", "is_submit_model")
            errors = [f"only rank 0 can call {name}!" for name in names]
            self.assertEqual(site.run("1")["headers"]["told"], repr([None, False, None, {}, *errors]))


class Refusals(unittest.TestCase):
    def told(self, body: str) -> str:
        """How the script fails its first task."""
        with flare(loop(body)) as site:
            failed = site.run("1", MODEL)
            self.assertEqual(failed["say"], "failed", failed)
            code, printed = site.wait()
            self.assertEqual(code, 1)
            self.assertIn("Traceback", printed)
            return str(failed["text"])

    def test_what_cannot_be_sent_is_named(self) -> None:
        for body, problem in [
            ("flare.send(m.params)", "TypeError: model needs to be an instance of FLModel"),
            ("flare.send(flare.FLModel())", "does not have either params or metrics"),
            ("flare.send(flare.FLModel(params={'w': np.array([object()])}))", "TypeError: `w` is an array of objects"),
            ("flare.send(flare.FLModel(params={'w': {'x': flare}}))", "TypeError: `w/x` is of type _Module"),
            ("flare.send(flare.FLModel(metrics={'a': 'b'}))", "metric `a` must be a number, not str"),
            ("flare.send(flare.FLModel(metrics={'a': float('nan')}))", "metric `a` is nan"),
            ("flare.send(flare.FLModel(metrics={}, meta={'a': [1]}))", "meta `a` of type list"),
            (
                "flare.send(flare.FLModel(metrics={}, meta={'NUM_STEPS_CURRENT_ROUND': 'x'}))",
                "weight must be a number, not str",
            ),
            ("flare.log('a', 1, flare.AnalyticsDataType.IMAGE)", "AnalyticsDataType.IMAGE, of `a`"),
            ("flare.log('a', 1, 'SCALAR')", "expect data_type to be an instance of AnalyticsDataType"),
            ("flare.log('a', 'b', flare.AnalyticsDataType.SCALAR)", "metric `a` must be a number, not str"),
        ]:
            with self.subTest(body):
                self.assertIn(problem, self.told(body))

    def test_what_is_not_covered_is_named(self) -> None:
        for body, problem in [
            ("import nvflare.client.lightning", "cover the module `nvflare.client.lightning`"),
            ("from nvflare.app_opt.pt import x", "cover the module `nvflare.app_opt`"),
            ("from nvflare.client import IPCAgent", "IPCAgent"),
            ("flare.IPCAgent", "does not cover `nvflare.client.IPCAgent`"),
            ("import nvflare; nvflare.job_config", "does not cover `nvflare.job_config`"),
        ]:
            with self.subTest(body):
                self.assertIn(problem, self.told(body))

    def test_a_result_that_is_refused_is_an_error(self) -> None:
        with flare(loop("flare.send(flare.FLModel(params=m.params))")) as site:
            site.give("1", MODEL)
            site.result(refused="the array `w` is not finite")
            code, printed = site.wait()
            self.assertEqual(code, 1)
            self.assertIn("the array `w` is not finite", printed)

    def test_nothing_works_before_init_or_out_of_order(self) -> None:
        for body, problem in [
            ("flare.receive()", "Did you call flare.init()"),
            ("flare.init(); flare.send(flare.FLModel(metrics={}))", '"receive" needs to be called'),
            ("flare.init(rank=1.5)", "rank must be a string or an integer"),
        ]:
            script = f"import nvflare.client as flare\nflare.init(rank='0')\n{body}"
            if "Did you" in problem:
                script = f"import nvflare.client as flare\nimport fedlink.client as c; c.connect()\n{body}"
            with self.subTest(body), flare(script) as site:
                code, printed = site.wait()
                self.assertEqual(code, 1)
                self.assertIn(problem, printed)

    def test_a_site_that_goes_ends_the_loop(self) -> None:
        with flare(loop("pass")) as site:
            site._lines.close()
            site._connection.close()
            self.assertEqual(site.wait()[0], 0)


if __name__ == "__main__":
    unittest.main()
