//! Every member of every config, wrong.

use super::*;
use serde_json::json;

fn transformer() -> Value {
    json!({
        "_class_name": "ZImageTransformer2DModel", "_diffusers_version": "0.36.0", "all_patch_size": [2],
        "all_f_patch_size": [1], "in_channels": 16, "dim": 3840, "n_layers": 30, "n_refiner_layers": 2, "n_heads": 30,
        "n_kv_heads": 30, "norm_eps": 1e-5, "qk_norm": true, "cap_feat_dim": 2560, "rope_theta": 256.0,
        "t_scale": 1000.0, "axes_dims": [32, 48, 48], "axes_lens": [1536, 512, 512], "siglip_feat_dim": null,
    })
}

fn decoder() -> Value {
    json!({
        "_class_name": "AutoencoderKL", "act_fn": "silu", "block_out_channels": [128, 256, 512, 512],
        "down_block_types": ["DownEncoderBlock2D"], "force_upcast": true, "in_channels": 3, "latent_channels": 16,
        "latents_mean": null, "latents_std": null, "layers_per_block": 2, "mid_block_add_attention": true,
        "norm_num_groups": 32, "out_channels": 3, "sample_size": 1024, "scaling_factor": 0.3611,
        "shift_factor": 0.1159, "use_post_quant_conv": false, "use_quant_conv": false,
        "up_block_types": ["UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D", "UpDecoderBlock2D"],
    })
}

fn scheduler() -> Value {
    json!({
        "_class_name": "FlowMatchEulerDiscreteScheduler", "num_train_timesteps": 1000, "shift": 3.0,
        "use_dynamic_shifting": false, "base_shift": 0.5, "max_shift": 1.15, "shift_terminal": null,
    })
}

fn pipeline() -> Value {
    json!({
        "_class_name": "ZImagePipeline", "scheduler": ["diffusers", "FlowMatchEulerDiscreteScheduler"],
        "text_encoder": ["transformers", "Qwen3Model"], "tokenizer": ["transformers", "Qwen2Tokenizer"],
        "transformer": ["diffusers", "ZImageTransformer2DModel"], "vae": ["diffusers", "AutoencoderKL"],
    })
}

type Parse = fn(&[u8]) -> Result<(), String>;

const CONFIGS: [(fn() -> Value, Parse); 4] = [
    (transformer, |json| TransformerShape::parse(json).map(drop)),
    (decoder, |json| DecoderShape::parse(json).map(drop)),
    (scheduler, |json| shift(json).map(drop)),
    (pipeline, check_pipeline),
];

#[test]
fn the_published_configs_are_served() {
    let shape = TransformerShape::parse(transformer().to_string().as_bytes()).unwrap();
    assert_eq!((shape.head(), shape.inner(), shape.modulation(), shape.patch_numbers()), (128, 10_240, 256, 64));
    let shape = DecoderShape::parse(decoder().to_string().as_bytes()).unwrap();
    assert_eq!((shape.factor(), shape.widest(), shape.scaling), (8, 512, 0.3611));
    assert_eq!(shift(scheduler().to_string().as_bytes()), Ok(3.0));
    assert_eq!(check_pipeline(pipeline().to_string().as_bytes()), Ok(()));
}

#[test]
fn the_mlp_is_rounded_as_the_reference_rounds_it() {
    let inner = |dim| {
        TransformerShape { dim, ..TransformerShape::parse(transformer().to_string().as_bytes()).unwrap() }.inner()
    };
    // 32 / 3 * 8 is 85.33; in whole numbers it would be 80.
    assert_eq!([inner(32), inner(48), inner(144), inner(3_840)], [85, 128, 384, 10_240]);
}

/// No member may be of another type, far too large, or zero where it is counted; nothing panics, and each refusal names
/// its member. Members that are only looked at by others may be anything.
#[test]
fn no_member_may_be_anything() {
    let ignored = [
        "_diffusers_version",
        "in_channels",
        "down_block_types",
        "sample_size",
        "force_upcast",
        "base_shift",
        "max_shift",
    ];
    for (config, parse) in CONFIGS {
        let good = config();
        for name in good.as_object().unwrap().keys() {
            let of_encoder = name == "in_channels" && good["_class_name"] == "AutoencoderKL";
            if (ignored.contains(&name.as_str()) && name != "in_channels") || of_encoder {
                continue;
            }
            for value in
                [json!("x"), json!(-1), json!(0), json!(1u64 << 62), json!(1e300), json!([0, 1u64 << 62]), json!({})]
            {
                // A shift of latents may be any number.
                if name == "shift_factor" && value.is_number()
                    || matches!(name.as_str(), "shift" | "scaling_factor") && value.as_f64().is_some_and(|n| n > 0.0)
                {
                    continue;
                }
                // Any base of frequencies, eps and scale that is a number above zero can be computed with.
                if matches!(name.as_str(), "norm_eps" | "rope_theta" | "t_scale")
                    && value.as_f64().is_some_and(|n| n > 0.0)
                {
                    continue;
                }
                let mut wrong = good.clone();
                wrong[name] = value.clone();
                let why = parse(wrong.to_string().as_bytes()).expect_err(&format!("{name}: {value}"));
                let words = [name.as_str(), "dim", "n_heads", "norm_num_groups", "block_out_channels"];
                assert!(words.iter().any(|word| why.contains(word)), "{name}: {value}: {why}");
            }
            let mut without = good.clone();
            without.as_object_mut().unwrap().remove(name);
            if let Err(why) = parse(without.to_string().as_bytes()) {
                assert!(why.contains(name), "without {name}: {why}");
            }
        }
        let mut strange = good.clone();
        strange["use_magic"] = json!(true);
        assert!(parse(strange.to_string().as_bytes()).unwrap_err().contains("use_magic"));
        for text in ["", "[]", "null", "{", "{}", "7"] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}

#[test]
fn numbers_that_do_not_fit_each_other_are_refused() {
    let faults: [(usize, &str, Value, &str); 13] = [
        (0, "n_layers", json!(1_001), "n_layers is 1001"),
        (1, "layers_per_block", json!(1 << 20), "layers_per_block is 1048576"),
        (0, "dim", json!(3_844), "dim is 3844"),
        (0, "n_kv_heads", json!(10), "n_kv_heads is 10"),
        (0, "axes_dims", json!([32, 47, 49]), "pairs"),
        (0, "axes_dims", json!([32, 96]), "axes_dims"),
        (0, "qk_norm", json!(false), "qk_norm"),
        (0, "all_patch_size", json!([2, 4]), "all_patch_size"),
        (0, "all_f_patch_size", json!([2]), "all_f_patch_size"),
        (1, "block_out_channels", json!([128, 250, 512, 512]), "norm_num_groups"),
        (1, "use_quant_conv", json!(true), "use_quant_conv"),
        (1, "up_block_types", json!(["UpDecoderBlock2D"]), "up_block_types"),
        (2, "use_dynamic_shifting", json!(true), "use_dynamic_shifting"),
    ];
    for (config, name, value, expected) in faults {
        let (good, parse) = CONFIGS[config];
        let mut wrong = good();
        wrong[name] = value;
        let why = parse(wrong.to_string().as_bytes()).expect_err(name);
        assert!(why.contains(expected), "{name}: {why}");
    }
}
